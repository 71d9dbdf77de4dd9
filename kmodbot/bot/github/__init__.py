"""The part of GitHub's API that the bot uses, as typed calls."""
