"""What a fit is once it is made: records that print, frame and travel."""
