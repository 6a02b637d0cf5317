"""The service as people and programs meet it: commands, settings, composition, HTTP. Imports the rooms below."""
