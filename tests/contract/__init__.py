"""What every record sink promises, checked against each of them."""
