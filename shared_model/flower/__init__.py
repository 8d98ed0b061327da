"""What both ends of the line need of Flower: the pinned release, the form of a message, several calls in one request."""
