"""Your own labels: from labelled pictures to an extractor, with early stopping, a model card, and ONNX out."""

from .train import Trained, train_extractor

__all__ = ["Trained", "train_extractor"]
