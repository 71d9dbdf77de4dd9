"""The GitHub App: HTTP API, webhook intake, builds, pull requests, store and reconciler."""
