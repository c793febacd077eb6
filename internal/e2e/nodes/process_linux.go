package nodes

import "syscall"

// sysProcAttr puts the child in a process group of its own and has it killed
// when its parent dies.
func sysProcAttr() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
