"""The whole loop on real e-mails and the embedded stack, next to random choice."""
