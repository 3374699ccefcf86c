"""The pages: thin doors over the rooms. Every row they show comes from a queryset filtered by workspace."""
