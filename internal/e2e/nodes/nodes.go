//go:build unix

// Package nodes runs real Ethereum nodes as child processes: geth, anvil,
// hardhat and ganache. What is not installed yet it installs by itself into a
// cache folder, from the Go module proxy and the npm registry; a program that
// cannot be installed fails the test, it never skips it.
//
// A node listens on free ports of the loopback, is ready when its constructor
// returns, and ends with the test. When a test fails, the end of its node's
// log is printed.
package nodes

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
)

// TB is what this package needs of a [testing.TB], so that a program that
// records fixtures can start nodes as well.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Fatalf(format string, args ...any)
	Logf(format string, args ...any)
	TempDir() string
}

// StartGethDev starts `geth --dev` with the unprotected and the dev_ calls
// allowed. Period is in seconds; 0 makes a block as soon as there is a
// transaction. Its chain survives a Restart; after Kill it may be shorter.
func StartGethDev(t TB, period int, args ...string) *Node {
	t.Helper()
	dir := t.TempDir()
	return start(t, program{
		name: "geth --dev",
		path: must(t)(geth()),
		dir:  dir,
		args: func(p ports) []string {
			usual := gethArgs(dir, p)
			if slices.Contains(args, "--ipcpath") {
				usual = slices.DeleteFunc(usual, func(arg string) bool { return arg == "--ipcdisable" })
			}
			return append(usual, append([]string{"--dev", "--dev.period", strconv.Itoa(period)}, args...)...)
		},
		ports: gethPorts,
	})
}

// StartGeth makes a chain out of a genesis file and a file of RLP blocks and
// serves it with geth, every state kept. Nothing moves its head.
func StartGeth(t TB, genesisPath, chainRLPPath string, args ...string) *Node {
	t.Helper()
	dir, path := t.TempDir(), must(t)(geth())
	if err := loadGeth(path, dir, genesisPath, chainRLPPath); err != nil {
		t.Fatalf("nodes: %v", err)
	}
	return start(t, program{
		name: "geth",
		path: path,
		dir:  dir,
		args: func(p ports) []string {
			return append(gethArgs(dir, p), append(gethHistory, args...)...)
		},
		ports: gethPorts,
	})
}

// gethHistory has every state and transaction kept.
var gethHistory = []string{"--syncmode", "full", "--gcmode", "archive", "--history.transactions", "0"}

// loadGeth makes a chain in a folder of a genesis file and a file of RLP blocks,
// or of the genesis alone.
func loadGeth(path, dir, genesisPath, chainRLPPath string) error {
	_, err := run(dir, nil, path, "--datadir", dir, "--state.scheme", "path", "init", genesisPath)
	if err == nil && chainRLPPath != "" {
		_, err = run(dir, nil, path, append(append([]string{"--datadir", dir}, gethHistory...), "import", chainRLPPath)...)
	}
	return err
}

// Reload is Wipe for a node that StartGeth started: afterwards its chain is that of
// a file of RLP blocks, or the genesis alone.
func (n *Node) Reload(genesisPath, chainRLPPath string) {
	n.t.Helper()
	n.Stop()
	err := os.RemoveAll(filepath.Join(n.prog.dir, "geth"))
	if err == nil {
		err = loadGeth(n.prog.path, n.prog.dir, genesisPath, chainRLPPath)
	}
	if err != nil {
		n.t.Fatalf("nodes: reload %s: %v", n.prog.name, err)
	}
	n.Restart()
}

func gethArgs(dir string, p ports) []string {
	return []string{
		"--datadir", dir, "--nodiscover", "--maxpeers", "0", "--port", "0", "--nat", "none", "--ipcdisable",
		"--rpc.allow-unprotected-txs",
		"--http", "--http.addr", "127.0.0.1", "--http.port", p.http, "--http.api", "eth,net,web3,debug,txpool,dev",
		"--ws", "--ws.addr", "127.0.0.1", "--ws.port", p.ws, "--ws.api", "eth,net,web3,debug,txpool,dev",
		"--authrpc.addr", "127.0.0.1", "--authrpc.port", p.auth,
	}
}

// StartAnvil starts anvil. Its chain is in memory: a Restart begins a new one,
// unless args hold --state.
func StartAnvil(t TB, args ...string) *Node {
	t.Helper()
	return start(t, program{
		name: "anvil",
		path: must(t)(anvil()),
		dir:  t.TempDir(),
		args: func(p ports) []string {
			return append([]string{"--host", "127.0.0.1", "--port", p.http}, args...)
		},
		ports: onePort,
	})
}

// StartHardhat starts a hardhat node. Network is the JavaScript text of the
// settings of its chain (`networks.hardhat` in hardhat's configuration), such
// as "{ hardfork: 'cancun' }", or empty for the defaults. A Restart begins a
// new chain.
func StartHardhat(t TB, network string) *Node {
	t.Helper()
	if network == "" {
		network = "{}"
	}
	modules, dir := must(t)(npm("hardhat", hardhatVersion)), t.TempDir()

	// hardhat refuses to run outside of a project that has it installed.
	config := fmt.Sprintf("module.exports = { solidity: '0.8.28', networks: { hardhat: %s } };\n", network)
	if err := os.WriteFile(filepath.Join(dir, "hardhat.config.js"), []byte(config), 0o644); err != nil {
		t.Fatalf("nodes: %v", err)
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatalf("nodes: %v", err)
	}
	return start(t, program{
		name: "hardhat",
		path: "node",
		dir:  dir,
		env:  []string{"HARDHAT_DISABLE_TELEMETRY_PROMPT=true"},
		args: func(p ports) []string {
			return []string{"node_modules/hardhat/internal/cli/bootstrap.js", "node", "--hostname", "127.0.0.1", "--port", p.http}
		},
		ports: onePort,
	})
}

// StartHardhat3 starts a hardhat 3 with the defaults, by a Node.js that is new
// enough for it. A Restart begins a new chain.
func StartHardhat3(t TB) *Node {
	t.Helper()
	node, dir := must(t)(nodejs()), t.TempDir()
	modules := must(t)(npmFor(node, "hardhat", hardhat3Version))
	for name, text := range map[string]string{"hardhat.config.js": "export default {};\n", "package.json": `{"type": "module"}` + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatalf("nodes: %v", err)
		}
	}
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatalf("nodes: %v", err)
	}
	return start(t, program{
		name: "hardhat 3",
		path: node,
		dir:  dir,
		args: func(p ports) []string {
			return []string{"node_modules/hardhat/dist/src/cli.js", "node", "--hostname", "127.0.0.1", "--port", p.http}
		},
		ports: onePort,
	})
}

// StartGanache starts ganache with its well-known accounts. A Restart begins
// a new chain, unless args hold --database.dbPath.
func StartGanache(t TB, args ...string) *Node {
	t.Helper()
	modules := must(t)(npm("ganache", ganacheVersion))
	return start(t, program{
		name: "ganache",
		path: "node",
		dir:  t.TempDir(),
		args: func(p ports) []string {
			return append([]string{
				filepath.Join(modules, "ganache/dist/node/cli.js"),
				"--server.host", "127.0.0.1", "--server.port", p.http, "--wallet.deterministic",
			}, args...)
		},
		ports: onePort,
	})
}

// must gives a function that ends the test if there is an error.
func must(t TB) func(string, error) string {
	return func(s string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatalf("nodes: %v", err)
		}
		return s
	}
}
