"""The timeline: one page for a browser that shows what the fleet ran when, and what each date would bring back."""
