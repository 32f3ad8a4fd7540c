"""Audits of a generator (which features its pictures have) and of a classifier (how one changed feature moves its output)."""

from .classifier import ClassifierAudit, audit_classifier
from .population import GeneratorAudit, audit_generator

__all__ = ["ClassifierAudit", "GeneratorAudit", "audit_classifier", "audit_generator"]
