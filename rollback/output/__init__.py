"""Everything that a user sees: screens, reports, Slack messages and the timeline page."""
