"""The objects that are to be scored, of the survey's database or by the names of images."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realbogus.config import Config
from realbogus.cutting import Tally
from realbogus.database import Database
from realbogus.errors import DatabaseError, RecipeError, StampError
from realbogus.parallel import progress
from realbogus.scores import read_object_scores
from realbogus.surveys.ps1 import database_folder
from realbogus.surveys.stamps import FORMS, StampForm, images_of, objects_on
from realbogus.worklist import Worklist, find_images

__all__ = ["Wanted"]


@dataclass(frozen=True)
class Wanted:
    """What is to be scored.

    Attributes
    ----------
    images : sequence of Path
        FITS stamps, cubes, folders, or files of names; without any, objects of the database.
    config : Config or None
        The database; not needed for images.
    list_id : int
        The list of the objects in the database …
    ids : sequence of int
        … or their ids.
    image_root : Path or None
        The folder of the stamps, if not the configuration's.
    """

    images: Sequence[Path]
    config: Config | None
    list_id: int
    ids: Sequence[int]
    image_root: Path | None = None

    @property
    def database(self) -> Config:
        """The database that objects are of."""
        assert self.config is not None
        return self.config

    @property
    def form(self) -> StampForm | None:
        """What the stamps are like; None for stamps of any kind."""
        return None if self.images else FORMS[self.database.survey]

    @property
    def options(self) -> dict[str, Any]:
        """What recipes say of it."""
        if self.images:
            return {"images": [str(path) for path in self.images]}
        chosen = {"objects": list(self.ids)} if self.ids else {"listid": self.list_id}
        folder = database_folder(self.database.database)
        return {"survey": self.database.survey, "database": folder, **chosen}

    @contextmanager
    def worklist(self) -> Iterator[Worklist]:
        """Find all images before the first is read; the database is then done with.

        Raises
        ------
        DatabaseError, FormatError, StampError
            If there is no object, or no image of any.
        """
        with self._found() as worklist:
            if not worklist.objects:
                raise DatabaseError(f"listid: the database has no object on list {self.list_id}")
            if not worklist.cameras:
                first = next(iter(worklist)).object
                raise StampError(
                    f"none of {worklist.objects} objects has an image to score, such as {first}"
                )
            yield worklist

    def require_no_newcomers(self, output_csv: Path) -> None:
        """Check that scores that were there already have all objects that are on the list by now.

        Raises
        ------
        RecipeError
            If not; it names some.
        """
        if self.ids:
            return
        known = read_object_scores(output_csv)
        newcomers = Tally()
        with Database.connect(self.database.database) as database:
            for identifier in objects_on(database, self.database.survey, self.list_id):
                if str(identifier) not in known:
                    newcomers.add(str(identifier))
        if newcomers.count:
            raise RecipeError(
                f"{output_csv} was made before {newcomers.count} objects came to list "
                f"{self.list_id}, which have no score: {newcomers}: name another file, as by "
                "{date} or {hour}"
            )

    def _found(self) -> Worklist:
        if self.images:
            return Worklist(find_images(self.images))
        config = self.database
        folder = (self.image_root or config.images.stamp_root) / database_folder(config.database)
        with Database.connect(config.database) as database:
            wanted = self.ids or objects_on(database, config.survey, self.list_id)
            objects = progress(wanted, label="objects")
            return Worklist(images_of(database, config.survey, objects, folder))
