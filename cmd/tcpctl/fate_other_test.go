//go:build !linux

package main

func fateOfUpgrades() {} // there are none
