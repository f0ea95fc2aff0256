"""What makes data messy: residuals, effects of groups, missing rows and more, each a value that a process takes."""
