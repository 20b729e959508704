"""What happens without treatment: pain, new fractures and harms in untreated arms, and the chapter on the disease itself."""
