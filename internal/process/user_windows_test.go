package process_test

// becomeUser does nothing: there are no user ids.
func becomeUser(string) error { return nil }
