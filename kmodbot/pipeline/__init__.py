"""The builder GitHub Actions runs: headers, compile, check, package, publish."""
