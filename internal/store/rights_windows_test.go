package store_test

import "errors"

func dropRights() error { return errors.New("there is no such user") }
