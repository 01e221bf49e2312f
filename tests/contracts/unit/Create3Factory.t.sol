// SPDX-License-Identifier: MIT OR Apache-2.0
pragma solidity 0.8.37;

import {Create3Factory} from "../../../contracts/Create3Factory.sol";
import {TypedAssertions} from "../TypedAssertions.sol";
import {CREATE3} from "solady/utils/CREATE3.sol";

contract Create3FactoryTest is TypedAssertions {
    Create3Factory private factory = new Create3Factory();

    function testFuzz_theAddressDependsOnDeployerAndSaltOnly(address deployer, bytes32 salt, bytes32 code) public {
        // No code begins with this byte (EIP-3541).
        vm.assume(code[0] != 0xef);
        address want = factory.addressOf(deployer, salt);
        vm.prank(deployer);
        assertEq(factory.deploy(salt, _returning(code)), want);
        assertEq(want.code, abi.encodePacked(code));
    }

    function testFuzz_nobodyTakesAnothersAddress(address deployer, address other, bytes32 salt) public {
        vm.assume(deployer != other);
        vm.prank(other);
        factory.deploy(salt, _returning(0));
        assertEq(factory.addressOf(deployer, salt).code.length, 0);
    }

    function testFuzz_anAddressIsUsedOnce(bytes32 salt) public {
        factory.deploy(salt, _returning(0));
        vm.expectRevert(CREATE3.DeploymentFailed.selector);
        factory.deploy(salt, _returning(bytes32(uint256(1))));
    }

    function testFuzz_forwardsTheValue(bytes32 salt, uint64 value) public {
        vm.deal(address(this), value);
        address made = factory.deploy{value: value}(salt, _returning(0));
        assertEq(made.balance, value);
        assertEq(address(factory).balance, 0);
    }

    /// @dev Init code of a contract whose code is `code`.
    function _returning(bytes32 code) private pure returns (bytes memory) {
        return abi.encodePacked(hex"7f", code, hex"5f5260205ff3");
    }
}
