"""Why a network answers as it does, and whether that explanation can be believed."""
