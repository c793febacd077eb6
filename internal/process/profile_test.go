package process_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"testing"
)

var profiles = flag.String("profiles", "", "folder for profiles of the programs that BenchmarkCatchUp runs: cpu, allocs and mutex")

// profileIn tells a program in which folder it shall leave its profiles.
const profileIn = "GAPLESS_TEST_PROFILES"

// profiled sets the environment of the programs that a benchmark runs. A release
// is built with their CPU profile, internal/release/cpu.pgo, which is made anew,
// without a path of the machine, by
//
//	go test -trimpath ./internal/process -run '^$' -bench CatchUp/10 -benchtime 4x -profiles /tmp
//	go tool pprof -proto /tmp/cpu-* >internal/release/cpu.pgo
func profiled(b *testing.B) {
	if *profiles != "" {
		b.Setenv(profileIn, *profiles)
	}
}

// profile runs the program, and writes its profiles if a folder is told.
func profile(run func() int) int {
	dir := os.Getenv(profileIn)
	if dir == "" {
		return run()
	}
	runtime.SetMutexProfileFraction(1)
	cpu, err := os.Create(profilePath(dir, "cpu"))
	if err == nil {
		err = pprof.StartCPUProfile(cpu)
	}
	code := run()
	pprof.StopCPUProfile()
	err = errors.Join(err, cpu.Close(), writeProfile(dir, "allocs"), writeProfile(dir, "mutex"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 99
	}
	return code
}

func writeProfile(dir, name string) error {
	f, err := os.Create(profilePath(dir, name))
	if err != nil {
		return err
	}
	return errors.Join(pprof.Lookup(name).WriteTo(f, 0), f.Close())
}

func profilePath(dir, name string) string {
	return filepath.Join(dir, fmt.Sprintf("%s-%d", name, os.Getpid()))
}
