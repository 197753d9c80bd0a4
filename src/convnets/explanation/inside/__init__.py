"""Inside: what single layers and units do, as numbers and as pictures."""
