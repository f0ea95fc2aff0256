"""lme4's formula language: tokens, terms, expressions, the model matrix."""
