"""What a generator shows, and what a classifier does when one thing in a picture changes."""

from .classifier import ClassifierAudit, audit_classifier
from .population import GeneratorAudit, audit_generator

__all__ = ["ClassifierAudit", "GeneratorAudit", "audit_classifier", "audit_generator"]
