"""Who may ask: API tokens, tokens of OpenID Connect issuers, and how much each caller may ask."""
