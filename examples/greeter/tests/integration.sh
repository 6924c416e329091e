#!/bin/sh
# Tests of the built program; the output is TAP, https://testanything.org.
#   tests/integration.sh PROGRAM
set -u

greet=$1
tests=0
failures=0

# check WHAT EXPECTED_STATUS EXPECTED_OUTPUT ARGUMENTS...
check() {
	what=$1 status=$2 output=$3
	shift 3
	tests=$((tests + 1))
	actual_output=$("$greet" "$@" 2>&1)
	actual_status=$?
	if [ "$actual_status" = "$status" ] && [ "$actual_output" = "$output" ]; then
		echo "ok $tests - $what"
	else
		echo "not ok $tests - $what"
		echo "# expected: status $status, $output"
		echo "#   actual: status $actual_status, $actual_output"
		failures=$((failures + 1))
	fi
}

check 'prints a greeting' 0 'Hello, Ada!' en Ada
check 'keeps a name with blanks together' 0 'Hallo, Ada Lovelace!' de 'Ada Lovelace'
check 'names the language it lacks' 1 "greet: no greeting in 'xx'" xx
check 'says how it is used' 2 'usage: greet LANGUAGE [NAME]'

echo "1..$tests"
[ "$failures" -eq 0 ]
