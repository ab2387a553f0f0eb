// Read before the profile.
pref("general.config.filename", "cassmail.cfg");
pref("general.config.obscure_value", 0);
pref("general.config.sandbox_enabled", false);
