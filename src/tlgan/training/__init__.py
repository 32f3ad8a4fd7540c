"""Your own labels: from labelled pictures to an extractor, with early stopping, a model card, and ONNX out."""

from .train import Trained, TrainingWatcher, train_extractor

__all__ = ["Trained", "TrainingWatcher", "train_extractor"]
