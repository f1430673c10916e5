"""From the reviews of people to what they say of a comparison."""
