use sim::tell;

#[test]
fn the_same_seed_tells_the_same_story() {
    for seed in [3, 4, 17] {
        assert_eq!(tell(seed), tell(seed));
    }
}
