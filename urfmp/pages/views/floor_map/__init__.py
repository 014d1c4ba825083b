"""Floor maps of facilities, and the plans that they are drawn on."""
