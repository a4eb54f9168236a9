"""The judges of drafts: grounding, quality, answers, and other models as judges."""
