"""What the command does for vendors: keys, webhooks, a test of their integration, a simulated one."""
