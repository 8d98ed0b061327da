"""Real containers: images, the network around them, and what they do when something goes wrong."""
