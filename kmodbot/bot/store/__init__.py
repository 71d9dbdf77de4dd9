"""What the bot remembers: builds and webhook deliveries."""
