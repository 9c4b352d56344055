package lock_test

import (
	"context"
	"fmt"

	"github.com/tcpctl/tcpctl/lock"
)

func Example() {
	conversions := lock.NewSemaphore(1) // one document at a time

	slot, err := conversions.Acquire(context.Background())
	if err != nil {
		fmt.Println(err)
		return
	}
	_, free := conversions.TryAcquire()
	fmt.Println("a second slot:", free)

	slot.Release()
	fmt.Println("in use:", conversions.InUse())
	// Output:
	// a second slot: false
	// in use: 0
}
