"""Step 5 in a browser: the studio's server, its page, published sites, and the labelling page."""
