"""The main job, end to end, on the machine at hand: node, bot, pipeline, pull request."""
