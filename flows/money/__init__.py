"""What a campaign's money was spent on: the verb `labelrounds money`."""
