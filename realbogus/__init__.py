"""Real/bogus classification of difference-image detections.

``docs/architecture.md`` draws the layers; each module imports only from those above it in this map,
and from those left of it in its line.

===========  =======================================================================
errors       the exceptions
files        files that are whole or absent
remotes      where missing images are fetched from
config       ``config.yaml``
recipes      what made a file
options      option values as people type them: nights, lists of files
exposures    what the names of exposures and stamps say
words        tables of words
lists        ``good.txt``, ``bad.txt``: position, object and stamp in one row
records      records that wait in a nameless file
scores       score files
metrics      rates of scores: arrays in, numbers out
pooling      scores of images that make one of an object
verdicts     scores of objects, out of those of their images
scatter      counts that scatter more than chance alone
counts       how many images of each exposure have which scores
breaker      which exposures have scores that good ones don't have
ledger       what was written to the survey's database, and by which run
hdf5         the only home of h5py
parquet      the only home of pyarrow
fitsfiles    the only home of astropy.io.fits
plainfits    the layout of plain FITS files, found fast
normalisation, seeing, groups   arrays in, arrays out
intervals    how sure the rates are, by object
known        known good objects, found or missed
budgets, comparison   eyeballs a night; a new classifier against an old one
splits       which detections train, and which test
calibration   scores that are probabilities
quality      what a classifier is worth: thresholds and rates, for its record
prominence   how far the middles of stamps stand out of the noise
database     the only home of SQLAlchemy: tables, queries, rows
images       difference images and the stamps cut from them
stamps       small FITS files, and cubes of them
worklist     the images that are to be scored
imagescores   the scores of single images in a file
blocks       many stamps read at once
features     stamps cropped, turned and normalised
triage       images treated for their classifiers, apart from those that can't be
parallel     processes, a Dask cluster, and threads that wait
prefetch     files brought from the disk early
selection    which of the listed stamps make a data set
dataset      training sets in HDF5
traits, evaluation   what is known of scored detections, and what a report says of them
pages        pages of HTML in one file
models       classifiers: the only home of Keras
plots        the only home of matplotlib
cutting      what the stages that cut stamps share
fetch        missing images, by rsync, from the web or from a folder
provenance   the recipe and the identity of any of these files
cutouts      the stamps of one exposure: cut, written and listed
surveys      what a survey knows: cameras, nights, file names, label rules
bench        which classifier scores the images of which camera
wanted       the objects that are to be scored
scoring      images read and scored
references   the exposures of earlier nights that a run is compared with
holding      exposures held back, before scores are written
writeback    scores written to the database, and taken back
detections   all detections of an exposure, cut and scored in one pass
nights       the file of detections, made night by night
simulation   a survey made from a seed
stages       one function a script: cut, build, train, score, plot, compare, report, …
cli, tasks   logging, one line for an error; what the Luigi tasks share
===========  =======================================================================
"""

__version__ = "0.1.0"
