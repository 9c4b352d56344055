//go:build !linux

package main

func fateOfUpgrades() {} // no upgrades here
