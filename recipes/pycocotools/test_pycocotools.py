"""pycocotools on its target: known masks, overlaps, and the accuracy of a made-up detector."""

import contextlib
import io
import unittest

import numpy as np
from pycocotools import mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

HALF = np.asfortranarray(np.array([[0, 1], [0, 1]], dtype=np.uint8))


def evaluated(scores: list[tuple[list[float], float]]) -> float:
    """The mean average precision of detections on one image with one object of 10 by 10."""
    truth = COCO()
    box = [10.0, 10.0, 10.0, 10.0]
    truth.dataset = {
        "info": {},
        "images": [{"id": 1, "width": 100, "height": 100}],
        "categories": [{"id": 1, "name": "thing"}],
        "annotations": [
            {"id": 1, "image_id": 1, "category_id": 1, "bbox": box, "area": 100.0, "iscrowd": 0}
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        found = truth.loadRes(
            [
                {"image_id": 1, "category_id": 1, "bbox": place, "score": score}
                for place, score in scores
            ]
        )
        evaluation = COCOeval(truth, found, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return float(evaluation.stats[0])


class Masks(unittest.TestCase):
    """Runs of a mask, counted along columns."""

    def test_encoding(self) -> None:
        encoded = mask.encode(HALF)
        assert encoded == {"size": [2, 2], "counts": b"22"}, encoded
        assert mask.decode(encoded).tolist() == HALF.tolist()
        assert mask.area(encoded) == 2
        assert mask.toBbox(encoded).tolist() == [1, 0, 1, 2]

    def test_long_runs(self) -> None:
        large = np.zeros((500, 600), dtype=np.uint8, order="F")
        large[100:400, 50:550] = 1
        encoded = mask.encode(large)
        assert mask.area(encoded) == 300 * 500
        assert (mask.decode(encoded) == large).all()

    def test_polygon(self) -> None:
        (drawn,) = mask.frPyObjects([[10, 10, 30, 10, 30, 40, 10, 40]], 50, 50)
        assert mask.area(drawn) == 20 * 30

    def test_overlaps(self) -> None:
        boxes = np.array([[0, 0, 10, 10], [5, 5, 10, 10]], dtype=np.float64)
        overlaps = mask.iou(boxes, boxes[:1], [0])
        assert np.allclose(overlaps.ravel(), [1, 25 / 175])

    def test_accuracy(self) -> None:
        assert abs(evaluated([([10, 10, 10, 10], 0.9)]) - 1.0) < 1e-9
        # An overlap of 0.81 counts at seven of the ten thresholds from 0.5 to 0.95.
        assert abs(evaluated([([10, 10, 9, 9], 0.9)]) - 0.7) < 1e-9
        assert evaluated([([50, 50, 10, 10], 0.9)]) == 0.0


if __name__ == "__main__":
    unittest.main()
