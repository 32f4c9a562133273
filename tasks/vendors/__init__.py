"""Who labels: vendors as labelrounds meets them."""
