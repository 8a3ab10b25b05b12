"""Draws pictures for calibration where there are no photos: smooth colours, edges and noise.  draw_photos.py FOLDER"""

import pathlib
import sys

import numpy
from PIL import Image

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
random = numpy.random.default_rng(1)
for i in range(100):
    coarse = Image.fromarray(random.integers(0, 256, (7, 7, 3), numpy.uint8)).resize((224, 224), Image.BICUBIC)
    fine = random.normal(0, 20, (224, 224, 3))
    stripes = 40 * numpy.sign(numpy.sin(numpy.arange(224) * random.uniform(0.05, 1)))[:, None, None]
    picture = numpy.clip(numpy.asarray(coarse) + fine + stripes, 0, 255).astype(numpy.uint8)
    Image.fromarray(picture).save(folder / f"{i:03}.png")
