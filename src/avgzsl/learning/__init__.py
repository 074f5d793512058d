"""What methods are made of: sampling, networks, losses, the one training loop."""
