"""Anything that predicts, and a Dataset, become an Evaluation."""
