"""What the gateway is measured against, and the gateway with a part left out. For the bench alone."""
