"""The steps of the pipeline: one public function each, which meet only through files."""
