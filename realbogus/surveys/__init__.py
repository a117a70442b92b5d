"""What each survey knows: its cameras, its file names and the rules of its labels."""
